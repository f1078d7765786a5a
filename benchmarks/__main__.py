"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import bench_calls, bench_matmul, bench_rates

for module in (bench_matmul, bench_calls, bench_rates):
    module.main()
