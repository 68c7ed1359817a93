"""The tab of the champion, its verdicts and the latest drift report."""
