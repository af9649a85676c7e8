"""What lets somebody prove, without trusting this ledger, that its history is whole and unchanged."""
