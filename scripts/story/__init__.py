"""What the scheme's leaflets tell, played against a server: one newcomer's way from registration to paying by phone.

Each step is a call over gRPC by whoever makes it in life: the application, a bank, an ATM, a point of sale, an
operator. The demonstration prints it; a test plays it unheard and then looks for what must stand nowhere.
"""
