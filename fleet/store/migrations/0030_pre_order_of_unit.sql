-- Which order a unit was made for; null for units of before and those that no workshop made. An order is of so many units,
-- whichever stations make them. Additive.
ALTER TABLE units ADD COLUMN order_number text;
CREATE INDEX units_by_order ON units (order_number) WHERE order_number IS NOT NULL;
