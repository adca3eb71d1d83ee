"""Whether a unit is silent, and whose fault that is: units by deadline, cohorts by statistics, incidents."""
