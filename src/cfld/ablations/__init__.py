"""The baselines of section 4.5: B1 to B5 of table 3, and the guidance settings of table 5.

`rows.py` says what each row changes of a training configuration, `conditioners.py` holds the conditioners that some of
them need. Nothing of the method knows about them; `build.py` offers their classes beside the method's own.
"""
