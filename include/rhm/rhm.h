/* rhm: Random Hierarchy Models and their layerwise learner on multicore CPUs. The whole public API. */
#ifndef RHM_RHM_H
#define RHM_RHM_H

#include "rhm/burn.h"
#include "rhm/data.h"
#include "rhm/encoding.h"
#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/inference.h"
#include "rhm/inspect.h"
#include "rhm/learner.h"
#include "rhm/machine.h"
#include "rhm/model.h"
#include "rhm/oracle.h"
#include "rhm/plan.h"
#include "rhm/probe.h"
#include "rhm/ranks.h"
#include "rhm/report.h"
#include "rhm/sampling.h"
#include "rhm/status.h"
#include "rhm/sweep.h"
#include "rhm/theory.h"

#endif
