#!/bin/sh
# Makes the queues that the compose file names, each with its dead letters, and has the topics of NOMIS's events and of
# those of the services feed them.
set -eu

offender_events=$(awslocal sns create-topic --name offender_events --query TopicArn --output text)
domain_events=$(awslocal sns create-topic --name domain_events --query TopicArn --output text)

for name in visits sentencing alerts locations courtsentencing incidents csip casenotes; do
    queue="local-${name}-events"
    awslocal sqs create-queue --queue-name "${queue}-dlq" >/dev/null
    awslocal sqs create-queue --queue-name "${queue}" --attributes \
        "{\"RedrivePolicy\": \"{\\\"deadLetterTargetArn\\\":\\\"arn:aws:sqs:eu-west-2:000000000000:${queue}-dlq\\\",\\\"maxReceiveCount\\\":5}\"}" \
        >/dev/null
    for topic in "$offender_events" "$domain_events"; do
        awslocal sns subscribe --topic-arn "$topic" --protocol sqs \
            --notification-endpoint "arn:aws:sqs:eu-west-2:000000000000:${queue}" >/dev/null
    done
done
awslocal sqs create-queue --queue-name local-audit >/dev/null
