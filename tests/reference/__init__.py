"""The same numbers from torch and from here.

A module is an area. It has `CASES`, by name, and two functions of a case and a dtype, `run_torch` and
`run_ours`, that return arrays by name. Where the usual tolerances of `test_torch.py` do not fit it has its
own in `TOLERANCES`, and for single cases a larger relative one in `LOOSE`, with the reason.

`python tests/reference/make.py` (with torch 2.13 installed) writes torch's arrays to a file for each area.
The files are committed, so that the tests need no torch; where it is installed they also run it.
"""
