"""The bytes of a TTree's baskets to columns and back, for every kind of branch that has a meaning as numbers or text.

::

    branches = describe_tree(tree)                  # uproot's tree -> BranchType by path: plain data, msgspec writes it
    layout = layout_of(branches["Jet_pt"])          # a `Layout`, or None: kept as it is
    basket = read_basket(record)                    # a record of the file -> Basket(data, offsets, entries, ...)
    layout = fitted(layout, basket.data, basket.offsets)       # what only bytes tell; once, with the largest basket
    round_trip(layout, basket, {"nJet": counts})    # True: these bytes come back; otherwise the branch is kept

    layout.columns                                  # tuple of ColumnType: name, dtype, levels, dimensions, counter
    layout.counters                                 # columns whose counts `decode` may need
    layout.decode(data, offsets, entries, counts, where)       # -> {column name: Nested(levels, values)}
    layout.encode(columns)                          # -> (data, offsets); offsets are written if fEntryOffsetLen says so
    msgspec.json.encode(layout)                     # a layout is all that a reader needs to make the bytes again

    seen_values(column.field, nested.values)        # floats of Double32_t, booleans: what an analysis sees
    to_awkward(column, nested)                      # the type that uproot gives

Layouts are frozen structs with tags, so that the schema of a compressed file holds them. A column of a branch has the
name of its leaf where the branch has several, otherwise an empty one; ``column_path`` joins it to the branch.

- `rows`: rows of fixed width, one per entry, as many as a counter says, or leaf after leaf;
- `collection`: vectors of any depth and strings; `nesting` and `chains` have the arithmetic;
- `memberwise`: vectors of objects, member by member;
- `classes`: objects of one width that are not split: fields and constants; `members`: codes of types;
- `fields`: the numbers in a row, and what they mean; `ranges` reads those of ``Double32_t``;
- `branch`, `describe`, `cpptypes`, `layout`: from a branch to its layout;
- `basket`: the records that hold the bytes.
"""
