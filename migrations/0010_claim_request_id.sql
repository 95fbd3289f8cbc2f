-- The request that a waiting claim came with, so that whoever serves it later can say so in the event and in the logs.
ALTER TABLE claims ADD COLUMN request_id text CHECK (length(request_id) <= 200);
