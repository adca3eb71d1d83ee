-- Which workshop's station has signed a unit's certificate; null for the root, and for units of before. So that the units
-- of a station that was stolen can be ended together. Additive.
ALTER TABLE unit_certificates ADD COLUMN station text;
