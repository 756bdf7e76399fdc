"""Speed against the batch algorithms that this project replaces, and against the floor of the bare statements.

    make bench                       everything, at the scale of docs/performance.md
    make bench ARGS=--quick          a hundredth of it, in two minutes
    make bench ARGS='--only drain'   one area

Everything that is compared is run alternately, in the same process, on the same servers and the same data.
"""
