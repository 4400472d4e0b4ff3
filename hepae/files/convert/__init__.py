"""From one container to the other: TTrees as RNTuples, RNTuples as TTrees.

`file` writes a whole file anew, `ntuple` one TTree as an RNTuple, `tree` one RNTuple as a TTree.
"""
