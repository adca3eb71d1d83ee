-- Through which access point a SIM's data go; NULL: nobody has said. SIMs that share one fail together. Additive.
ALTER TABLE sims ADD COLUMN apn text CHECK (apn ~ '^[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?$');
