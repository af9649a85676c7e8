"""What people read: receipts and notifications in Kyrgyz, Russian and English. Pure: times and figures come in."""
