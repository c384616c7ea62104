"""One file of a package, without what the package imports besides: WarpRec's needs Ray, DataRec's a graph library."""

import importlib.util
from importlib.metadata import distribution


def load_file(package, path):
    """The module that is a file of an installed package."""
    spec = importlib.util.spec_from_file_location("loaded", distribution(package).locate_file(f"{package}/{path}"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
