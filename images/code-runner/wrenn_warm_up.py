"""Run in the first kernel before the template's memory is taken: what a first cell needs is loaded then."""

import random
import sys


def warm_up():
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    import requests  # noqa: F401
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    frame = pd.DataFrame({"x": np.arange(3), "y": np.random.rand(3)})
    display(frame)
    frame.plot(x="x", y="y", title="warm")
    plt.show()
    try:
        frame["z"]
    except KeyError:
        shell.InteractiveTB.structured_traceback(*sys.exc_info())
    shell.events.register("pre_run_cell", _begin)


def _begin(_):
    """Before the first cell of a capsule: clones of one memory would all draw the same numbers."""
    import os
    import ssl

    import numpy as np
    from IPython import get_ipython

    get_ipython().events.unregister("pre_run_cell", _begin)
    random.seed()
    np.random.seed()
    ssl.RAND_add(os.urandom(64), 64)
