"""What the benchmarks share. Python finds it beside the script that it runs."""
