-- The logs that go with world.sql: downloads and generations of its versions, some delivered twice.
-- Writes modelVersionEvents, orchestration.jobs.

INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip)
SELECT if(number % 9 = 0, 'Update', 'Download'), toDateTime(today(), 'UTC') - intDiv(number, 2) * 3600 * 7, number % 5, 0,
       [10, 11, 20, 21, 30][number % 5 + 1], '10.0.0.1'
FROM numbers(60);

INSERT INTO orchestration.jobs (jobId, userId, jobType, createdAt, resourcesUsed)
SELECT toString(number % 20), 1, 'TextToImage', toDateTime64(today(), 3, 'UTC') - number * 3600 * 5,
       [10 + number % 2, 20 + number % 2, 10 + number % 2]
FROM numbers(30);
