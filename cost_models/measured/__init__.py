"""What was measured on a real machine: kernels timed, one by one."""
