"""The service *attendance*: each student's weekly file, the evidence that funders ask for."""
