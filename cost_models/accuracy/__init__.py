"""How accurate a network is: measured tables and the training that makes them."""
