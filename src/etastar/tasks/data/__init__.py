"""The real data behind the built-in tasks: where it comes from and how it is served.

`source` finds a data set in the folder named by `ETASTAR_DATA`, or fetches it with a checksum;
`bundled`, `cifar10` and `shakespeare` turn one into tensors; `batches` serves tensors to a loop.
"""
