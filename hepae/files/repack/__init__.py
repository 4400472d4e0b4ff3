"""Rewrite a ROOT file losslessly without any model: lean headers, the best classical compression. ROOT reads it.

`file` takes a file through it and checks it, `writing` writes every key, `tree` one TTree: fuller baskets, each branch
under the algorithm that suits it.
"""
