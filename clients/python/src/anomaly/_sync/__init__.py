"""Made from the file of this name in `_async` by `tools/twin.py`: change that one."""
