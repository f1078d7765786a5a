"""nl.tile_size: the limits of the target the kernel is being built for."""

from __future__ import annotations

from nki_sim import targets
from nki_sim.frontend.recorder import active, current


class TileSize:
    """Limits of the current target; of the default target outside of a kernel. Source: nki.language.tile_size."""

    def _limit(self, name: str) -> int:
        target = current().target if active() else targets.load(targets.DEFAULT)
        return target.limit(name)

    @property
    def pmax(self) -> int:
        """Partitions of a tile."""
        return self._limit("pmax")

    @property
    def psum_fmax(self) -> int:
        """float32 elements of one PSUM bank, per partition (the old name of psum_bank_fmax)."""
        return self._limit("psum_fmax")

    @property
    def psum_bank_fmax(self) -> int:
        """float32 elements of one PSUM bank, per partition."""
        return self._limit("psum_fmax")

    @property
    def psum_bank_fmax_bytes(self) -> int:
        """Bytes of one PSUM bank, per partition."""
        return self._limit("psum_bank_bytes")

    @property
    def psum_num_banks(self) -> int:
        """PSUM banks per partition."""
        return self._limit("psum_banks")

    @property
    def gemm_stationary_fmax(self) -> int:
        """Free elements of a matmul's stationary operand."""
        return self._limit("gemm_stationary_fmax")

    @property
    def gemm_moving_fmax(self) -> int:
        """Free elements of a matmul's moving operand."""
        return self._limit("gemm_moving_fmax")

    @property
    def bn_stats_fmax(self) -> int:
        """Free elements of one nisa.bn_stats."""
        return self._limit("bn_stats_fmax")

    @property
    def psum_min_align(self) -> int:
        """Alignment of a PSUM byte address."""
        return self._limit("psum_align_bytes")

    @property
    def sbuf_min_align(self) -> int:
        """Alignment of an SBUF byte address."""
        return self._limit("sbuf_align_bytes")

    @property
    def sbuf_size_bytes(self) -> int:
        """SBUF bytes over all partitions."""
        return self._limit("sbuf_bytes") * self._limit("pmax")

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Usable SBUF bytes per partition."""
        return self._limit("sbuf_usable_bytes")

    @property
    def sbuf_fmax(self) -> int:
        """Usable float32 elements per SBUF partition."""
        return self.sbuf_fmax_bytes // 4

    @property
    def total_available_sbuf_size(self) -> int:
        """Usable SBUF bytes per partition (an old, misleading name)."""
        return self.sbuf_fmax_bytes


tile_size = TileSize()
