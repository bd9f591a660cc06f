"""What ``run.py`` and the tests beside it do on a GPU, compared with the CPU: without tx installed, nor pytest."""
