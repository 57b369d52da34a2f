"""The baselines of section 4.5. `build.py` offers their conditioners beside the method's own, which does not know them.

`reproduction/rows.py` has the rows of tables 3 and 5 in which they are used.
"""
