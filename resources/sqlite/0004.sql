-- Bytes beside a page's text, such as an image's, kept once for equal bytes: who holds which content.

ALTER TABLE version ADD COLUMN blobs TEXT NOT NULL DEFAULT '[]';

CREATE TABLE blob(ws INTEGER NOT NULL, content INTEGER NOT NULL, page TEXT NOT NULL,
  checksum BLOB NOT NULL, PRIMARY KEY(ws, content, page)) STRICT, WITHOUT ROWID;
CREATE INDEX blob_of_checksum ON blob(ws, checksum);
CREATE INDEX blob_of_page ON blob(ws, page);
