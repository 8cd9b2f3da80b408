"""The same numbers from torch and from here.

A module is an area. It has `CASES`, by name, and two functions of a case and a dtype, `run_torch` and
`run_ours`, that return arrays by name; `TOLERANCES` where the usual ones of `test_torch.py` do not fit.
`python tests/reference/make.py` (with torch 2.13 installed) writes torch's arrays to a file for each area.
The files are committed, so that the tests need no torch; where it is installed they also run it.
"""
