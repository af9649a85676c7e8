-- What a careful engineer writes first: balances in rows, and a lock on both for the length of a transfer.
-- The rows are locked in the order of their ids, so that two transfers never wait for each other in a circle.

CREATE TABLE accounts (
    account_id bigint PRIMARY KEY,
    balance bigint NOT NULL
) WITH (fillfactor = 50);  -- Room for the next version of a row on its own page: the faster way for hot rows.

CREATE TABLE transfers (
    transfer_id uuid PRIMARY KEY,
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE entries (
    transfer_id uuid NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (transfer_id, account_id)
);

CREATE FUNCTION transfer(debit bigint, credit bigint, amount bigint, id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    debit_balance bigint;
    credit_balance bigint;
BEGIN
    PERFORM 1 FROM accounts WHERE account_id IN (debit, credit) ORDER BY account_id FOR UPDATE;

    UPDATE accounts SET balance = balance - transfer.amount WHERE account_id = debit RETURNING balance INTO debit_balance;
    IF debit_balance < 0 THEN
        RAISE EXCEPTION 'insufficient funds on account %', debit;
    END IF;
    UPDATE accounts SET balance = balance + transfer.amount WHERE account_id = credit RETURNING balance INTO credit_balance;

    INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount)
        VALUES (id, debit, credit, transfer.amount);
    INSERT INTO entries (transfer_id, account_id, amount, balance)
        VALUES (id, debit, -transfer.amount, debit_balance), (id, credit, transfer.amount, credit_balance);
END
$$;
