"""How a study is run: configuration, runner, store, report, command line."""
