c = get_config()  # noqa: F821
c.InlineBackend.figure_formats = {"png"}
# Otherwise each cell is written to a database on the disk.
c.HistoryManager.enabled = False
