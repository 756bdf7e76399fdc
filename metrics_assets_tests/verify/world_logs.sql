-- The logs of the small world, for ClickHouse. The second row is the first delivered again; modelId means nothing.

INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip) VALUES
    ('Download', '2024-03-01 10:00:00', 1, 1, 10, 'a'),
    ('Download', '2024-03-01 10:00:00', 1, 1, 10, 'a'),
    ('Download', '2024-03-01 10:00:00', 0, 1, 10, 'b'),
    ('Download', '2024-03-02 10:00:00', 1, 1, 10, 'a'),
    ('View',     '2024-03-02 11:00:00', 1, 1, 10, 'a'),
    ('Download', '2024-03-02 10:00:00', 2, 1, 11, 'a'),
    ('Download', '2024-03-03 10:00:00', 2, 1, 12, 'a'),
    ('Download', '2024-03-04 10:00:00', 2, 1, 20, 'a'),
    ('Download', '2024-03-04 10:00:00', 2, 2, 30, 'a');

-- job-a came three times, last with its earliest createdAt; job-b names one version twice
INSERT INTO orchestration.jobs (jobId, userId, jobType, createdAt, resourcesUsed) VALUES
    ('job-a', 1, 'image', '2024-03-01 10:00:00', [10, 20]),
    ('job-a', 1, 'image', '2024-03-03 10:00:00', [10, 11]),
    ('job-a', 1, 'image', '2024-02-28 10:00:00', [11]),
    ('job-b', 0, 'image', '2024-03-02 10:00:00', [10, 10]),
    ('job-c', 2, 'image', '2024-03-02 10:00:00', [30]),
    ('job-d', 2, 'image', '2024-03-04 10:00:00', [12]);
