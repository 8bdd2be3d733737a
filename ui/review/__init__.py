"""The parts of the Label audit page.

`case` is what was audited, `cards` shows and judges its rows; `findings`, `people` and `export` are
built on both, and `section` is the first thing that the page shows.
"""
