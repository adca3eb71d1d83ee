-- Districts are renamed and removed by administrators; row level security keeps each to his municipalities.
GRANT UPDATE (name), DELETE ON districts TO livlina_web;
