"""What the application imports: the model registry with its search and usage, and the recorder of events.

Importing a module of this package opens no connection. Functions at the top of a module work on the stores that the
environment names, opened once a process (`process`); the classes behind them take stores of your own.
"""
