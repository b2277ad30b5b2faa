"""The plumbing between the models and Keras: it knows no paper.

`replicas`, `validation` and `keras_internals` import nothing of the library but each other, so that
every other package may import them.
"""
