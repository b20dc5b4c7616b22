"""Report of studies: data, HTML page, figures."""
