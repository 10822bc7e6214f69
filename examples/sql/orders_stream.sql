-- An orders stream that three services read, one of which replays a day.
--
--     psql -d SOMEDATABASE -f examples/sql/orders_stream.sql
--
-- Each service is a table here, and a procedure that does its work: it takes
-- messages, writes its table and acknowledges, all in one transaction.  So each
-- order takes effect once for each service, whatever fails.  If a service is to
-- read orders again, an order that it has already does no harm.
CREATE EXTENSION IF NOT EXISTS pgmq_c;
SELECT pgmq.create_stream('shop_orders');
SELECT pgmq.create_subscription('shop_billing', 'shop_orders');
SELECT pgmq.create_subscription('shop_shipping', 'shop_orders');
SELECT pgmq.create_subscription('shop_statistics', 'shop_orders');
-- a week of history, also for a service that is behind
SELECT pgmq.set_policy('shop_orders', '{"retention_age": 604800}');

CREATE TABLE shop_invoices (order_id bigint PRIMARY KEY, amount numeric);
CREATE TABLE shop_parcels (order_id bigint PRIMARY KEY, city text);
CREATE TABLE shop_sales (day date PRIMARY KEY, orders bigint, amount numeric);

-- the shop: with the order, in its transaction
SELECT pgmq.send('shop_orders', jsonb_build_object('order', n, 'amount', 10 * n, 'city', 'Ulm'),
	jsonb_build_object('x-pgmq-group', 'customer-' || n % 3))
FROM generate_series(1, 10) AS n;

-- billing: one batch after the other until there is none
CREATE PROCEDURE shop_bill() LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		WITH taken AS (SELECT * FROM pgmq.pop('shop_billing', 4))
		INSERT INTO shop_invoices
		SELECT (message ->> 'order')::bigint, (message ->> 'amount')::numeric FROM taken
		ON CONFLICT (order_id) DO UPDATE SET amount = EXCLUDED.amount;
		EXIT WHEN NOT FOUND;
		COMMIT;
	END LOOP;
END $$;

-- shipping: each customer's orders in order, whoever ships them
CREATE PROCEDURE shop_ship() LANGUAGE plpgsql AS $$
DECLARE
	m pgmq.message_record;
BEGIN
	LOOP
		SELECT * INTO m FROM pgmq.read_grouped_head('shop_shipping', 30, 1);
		EXIT WHEN NOT FOUND;
		INSERT INTO shop_parcels VALUES ((m.message ->> 'order')::bigint, m.message ->> 'city')
			ON CONFLICT DO NOTHING;
		PERFORM pgmq.delete('shop_shipping', m.msg_id, m.read_ct);
		COMMIT;
	END LOOP;
END $$;

-- statistics: adds up each day, and with factor 2 makes the mistake of counting each amount twice
CREATE PROCEDURE shop_count(factor integer) LANGUAGE plpgsql AS $$
BEGIN
	WITH taken AS (SELECT * FROM pgmq.pop('shop_statistics', 1000))
	INSERT INTO shop_sales AS s
	SELECT enqueued_at::date, count(*), sum(factor * (message ->> 'amount')::numeric) FROM taken GROUP BY 1
	ON CONFLICT (day) DO UPDATE SET orders = s.orders + EXCLUDED.orders, amount = s.amount + EXCLUDED.amount;
END $$;

CALL shop_bill();
CALL shop_ship();
CALL shop_count(2);
SELECT (SELECT count(*) FROM shop_invoices) AS invoices, (SELECT count(*) FROM shop_parcels) AS parcels;
SELECT orders, amount FROM shop_sales;

-- The mistake is mended: statistics forgets the day and reads it again.  Billing
-- and shipping notice nothing.
BEGIN;
DELETE FROM shop_sales WHERE day = current_date;
SELECT pgmq.seek('shop_statistics', current_date::timestamptz);
COMMIT;
CALL shop_count(1);
SELECT orders, amount FROM shop_sales;
SELECT subscription_name, in_flight, lag, lost FROM pgmq.list_subscriptions('shop_orders');

-- and away with all of it
SELECT pgmq.drop_queue(n) FROM unnest(ARRAY['shop_billing', 'shop_shipping', 'shop_statistics', 'shop_orders']) AS n;
DROP TABLE shop_invoices, shop_parcels, shop_sales;
DROP PROCEDURE shop_bill, shop_ship, shop_count;
