-- Why a version is kept out of contexts until somebody asks for it: it reads like instructions.

ALTER TABLE version ADD COLUMN flagged TEXT;
