"""Code that connects the models to Keras; nothing here depends on a paper.

`fields`, `replicas`, `validation` and `keras_internals` import nothing else of the library, so
every other package may import them.
"""
