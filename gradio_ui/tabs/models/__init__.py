"""The tab with the champion, the verdicts on candidates and the latest drift report."""
