"""What a kernel becomes once it has been specialised. Imports nothing of nki_sim's other rooms."""
