import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def on_replicas(two_replicas):
    """Runs a function on one batch per replica, in a graph, and concatenates the results."""

    def on_replicas(function, batches):
        def value(context):
            return tf.constant(batches[context.replica_id_in_sync_group])

        values = two_replicas.experimental_distribute_values_from_function(value)
        run = tf.function(lambda values: two_replicas.run(function, (values,)))
        return np.concatenate(two_replicas.experimental_local_results(run(values)))

    return on_replicas
