-- Run by the postgres image once, when its volume is empty. Temporal keeps its
-- histories in "temporal", which the image makes, and its list of runs here.
CREATE DATABASE temporal_visibility;
