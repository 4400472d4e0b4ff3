"""`from hepae.recipe import recipe_of`: the public path of `hepae.learn.recipe`."""

from hepae.learn.recipe import CHOICES, CODECS, EFFORTS, Recipe, recipe_of

__all__ = ["CHOICES", "CODECS", "EFFORTS", "Recipe", "recipe_of"]
