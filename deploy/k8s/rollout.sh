#!/bin/sh
# Rolls out a release: first everything but the services, then the migrations until they end, then the services, pod by pod.
#   deploy/k8s/rollout.sh production            an overlay of deploy/k8s/overlays
#   deploy/k8s/rollout.sh /path/to/my/overlay   your own, which names one of them as its resource
# Stops at the first step that fails; the services of the last release then keep running.
set -eu
overlay=${1:?name the overlay: local, production, or the path of your own}
case $overlay in
*/* | .) ;;
*) overlay="$(dirname "$0")/overlays/$overlay" ;;
esac
manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT

kubectl kustomize "$overlay" >"$manifests"
# A Job can't be changed, so the last release's Job is deleted first.
kubectl --namespace chat delete job migrations --ignore-not-found
kubectl apply --filename "$manifests" --selector 'after!=migrations'
# The Job waits this long for an unreachable database (activeDeadlineSeconds). A failure is shown at once, with its log.
until=$(($(date +%s) + 660))
while :; do
    state=$(kubectl --namespace chat get job migrations --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    case $state in
    *Complete*) break ;;
    *Failed* | *FailureTarget*)
        kubectl --namespace chat logs job/migrations --tail=50 >&2 || true
        echo "the migrations failed: the services go on as they are" >&2
        exit 1
        ;;
    esac
    if [ "$(date +%s)" -gt "$until" ]; then
        echo "the migrations didn't end in 11 minutes: kubectl --namespace chat describe job migrations" >&2
        exit 1
    fi
    sleep "${ROLLOUT_POLL_SECONDS:-2}"
done
kubectl apply --filename "$manifests"
kubectl --namespace chat rollout status deployment --selector after=migrations --timeout=15m
