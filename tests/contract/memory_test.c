/* The contract suite on the memory implementation, which shows the suite itself to be right. */
#include "tests/contract/contract.h"

int main(void) {
    return hd_contract_run(&hd_memory_backend);
}
