"""From events to a model: `modelling` trains, `recipe` has the choices.

`fit/` finds predictors with NumPy alone; `masked/` and `bottleneck/` train networks with PyTorch, by product.
`descent` and `checkpoint` are what they share.
"""
