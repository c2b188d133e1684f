-- Archived pages: the position of the line since which each is; NULL: it is not.
ALTER TABLE page ADD COLUMN archived INTEGER;
CREATE INDEX page_archived ON page(ws) WHERE archived IS NOT NULL;
